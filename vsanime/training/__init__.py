"""How the weights we ship are made: pictures, degradations, losses, loops."""
