"""waifu2x's networks: UpConv_7 doubles, VGG_7 removes noise."""
