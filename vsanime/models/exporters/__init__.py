"""Exporters: plain ONNX written in formats that other programs run."""
