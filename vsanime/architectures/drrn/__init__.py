"""DRRN: doubles by one residual unit that is applied again and again."""
