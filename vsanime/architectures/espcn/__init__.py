"""ESPCN with SELU: doubles at low resolution."""
