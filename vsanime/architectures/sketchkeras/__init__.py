"""SketchKeras: draws the lines of one color channel."""
