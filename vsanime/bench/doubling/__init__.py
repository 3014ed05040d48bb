"""How good doublers are: pictures made small, doubled by everybody, and compared with what they were."""
