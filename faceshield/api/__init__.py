"""The library behind ``import faceshield``: numpy and torch in and out, datasets and models as torch has them."""
