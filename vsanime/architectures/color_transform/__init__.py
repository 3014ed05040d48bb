"""The color transform network at full width, which matches line art by distance maps."""
