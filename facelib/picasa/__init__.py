"""What Picasa left behind, read from bytes into models: no file is opened here, and nothing of Picasa's is ever written."""
