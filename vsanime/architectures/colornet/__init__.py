"""The color transform network that is shipped: colors for line art from two keys."""
