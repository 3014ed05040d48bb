"""What line pictures tell of motion and shape: plain pictures in, plain arrays out, no network and no VapourSynth."""
