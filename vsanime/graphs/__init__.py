"""Plain ONNX networks and frame facts in; one ONNX graph from planes to planes out."""
