"""Every tolerance of the tests, in one place, with its reason."""

# The same sums in another order: f32 has 24 bits, the nets some hundred terms a sum and values below 2.
F32_REORDERED = 2e-6

# An integer code may fall to the other side of a rounding edge when the same f32 sums are taken in another order.
# 1e-4 of the codes is ten times what was seen on real pictures and noise at 8 and 10 bits; none is off by more than 1.
F32_CODES_DIFFER = 1e-4

# At 16 bits one code is 1/65535, hardly more than f32 sums of some hundred terms can hold: a tenth of the codes
# differs, by a code or two.
F32_CODES16_DIFFER = 0.25
F32_CODES16_MAX = 3

# zimg resamples integer planes of a format in fixed point; our graph in f32. One code at 8 bits, rarely.
ZIMG_FLOAT = 2e-5

# Siting, in luma pixels: what a ramp can tell of a position at 16 bits.
SITING_PIXELS = 0.01

# bf16 inner layers with the linear path exact, on real pictures, against f32 on float output: what was measured per
# model (docs/backends.md), less 3 dB and rounded, since rounding follows the order of sums of the CPU at hand.
BF16_PSNR = {"C4F16": 64.0, "C4F32": 64.0, "R8F64": 60.0, "C4F32_Chroma": 60.0}
BF16_BIAS = 2e-4
