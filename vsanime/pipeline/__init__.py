"""From a network and a clip to a clip: checks of shared arguments, tiles, engines and lanes over the frames."""
