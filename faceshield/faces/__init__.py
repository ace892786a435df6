"""Find faces, choose among them, and carry them to a template. Importing this loads no network."""
