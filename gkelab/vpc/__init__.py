"""The VPC as it is, by what the cloud says of it: gathered into data, on a screen, in a picture."""
