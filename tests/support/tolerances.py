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
# model (docs/measurements/backends.md), less 3 dB, since rounding follows the order of sums of the CPU at hand.
BF16_PSNR = {"C4F16": 64.3, "C4F32": 60.8, "C4F32_DS": 63.1, "R8F64": 66.7, "C4F32_Chroma": 53.2}

# Mean error: none to speak of in luma (0.00003 at most was measured), 0.0007 in chroma. Doubled for other CPUs.
BF16_BIAS = {"luma": 1e-4, "chroma": 1.5e-3}

# Share of integer codes that bf16 changes on the same pictures: what was measured, and a quarter more.
BF16_CODES = {
    ("C4F16", 8): 0.09,
    ("C4F16", 10): 0.25,
    ("C4F32", 8): 0.11,
    ("C4F32", 10): 0.31,
    ("R8F64", 8): 0.11,
    ("R8F64", 10): 0.28,
    ("C4F32_Chroma", 8): 0.18,
}

# The same for the package's own networks on two drawings and a photograph, which need no files: what was measured, less
# 3 dB, and the codes with a quarter more.
BF16_PSNR_DRAWN = {
    "C4F16_VA": 59.4,
    "C4F16_BOX_VA": 59.2,
    "C4F32_VA": 63.4,
    "C4F32_BOX_VA": 61.7,
    "C4F32_DS_VA": 62.2,
    "C4F32_Chroma_VA": 63.1,
}
BF16_CODES_DRAWN = {
    ("C4F16_VA", 8): 0.13,
    ("C4F16_VA", 10): 0.43,
    ("C4F16_BOX_VA", 8): 0.13,
    ("C4F16_BOX_VA", 10): 0.42,
    ("C4F32_VA", 8): 0.09,
    ("C4F32_VA", 10): 0.28,
    ("C4F32_BOX_VA", 8): 0.09,
    ("C4F32_BOX_VA", 10): 0.28,
    ("C4F32_DS_VA", 8): 0.1,
    ("C4F32_DS_VA", 10): 0.36,
    ("C4F32_Chroma_VA", 8): 0.072,
    ("C4F32_Chroma_VA", 10): 0.26,
}

# Half precision written into the graph, linear path exact, emulated layer by layer on real pictures, against f32 on
# float output, worst plane: what was measured per model (docs/measurements/tensorrt.md), less 1 dB for other orders of
# sums.
HALF_PSNR = {
    ("C4F16", "float16"): 80.1,
    ("C4F16", "bfloat16"): 65.3,
    ("C4F16_DS", "float16"): 77.0,
    ("C4F16_DS", "bfloat16"): 62.3,
    ("C4F16_VA", "float16"): 75.4,
    ("C4F16_VA", "bfloat16"): 60.5,
    ("C4F32_VA", "float16"): 78.3,
    ("C4F32_VA", "bfloat16"): 65.1,
    ("C4F32_DS_VA", "float16"): 79.4,
    ("C4F32_DS_VA", "bfloat16"): 63.4,
    ("C4F32_Chroma_VA", "float16"): 82.8,
    ("C4F32_Chroma_VA", "bfloat16"): 65.7,
    ("C4F32", "float16"): 79.7,
    ("C4F32", "bfloat16"): 61.9,
    ("C4F32_DS", "float16"): 76.4,
    ("C4F32_DS", "bfloat16"): 63.9,
    ("C4F32_Chroma", "float16"): 76.7,
    ("C4F32_Chroma", "bfloat16"): 59.4,
    ("R8F64", "float16"): 79.1,
    ("R8F64", "bfloat16"): 67.1,
    ("R8F64_DS", "float16"): 72.4,
    ("R8F64_DS", "bfloat16"): 59.7,
    ("upconv_7_art_noise1", "float16"): 76.2,
    ("upconv_7_art_noise1", "bfloat16"): 58.4,
    ("upconv_7_photo_noise1", "float16"): 73.4,
    ("upconv_7_photo_noise1", "bfloat16"): 54.9,
}

# The same on two drawings and a photograph of 96 x 96 pixels each, which need no files: what was measured, less 1 dB.
HALF_PSNR_DRAWN = {
    ("C4F16_VA", "float16"): 75.2,
    ("C4F16_VA", "bfloat16"): 60.4,
    ("C4F16_BOX_VA", "float16"): 75.1,
    ("C4F16_BOX_VA", "bfloat16"): 60.5,
    ("C4F32_VA", "float16"): 77.6,
    ("C4F32_VA", "bfloat16"): 64.7,
    ("C4F32_BOX_VA", "float16"): 78.2,
    ("C4F32_BOX_VA", "bfloat16"): 63.8,
    ("C4F32_DS_VA", "float16"): 78.5,
    ("C4F32_DS_VA", "bfloat16"): 63.5,
    ("C4F32_Chroma_VA", "float16"): 80.6,
    ("C4F32_Chroma_VA", "bfloat16"): 63.9,
    ("ESPCN_7_SLIM_VA", "float16"): 68.5,
    ("ESPCN_7_SLIM_VA", "bfloat16"): 52.1,
    ("Pepper_VA", "float16"): 80.5,
    ("Pepper_VA", "bfloat16"): 61.8,
    ("upconv_7_art_noise1", "float16"): 76.0,
    ("upconv_7_art_noise1", "bfloat16"): 57.8,
    ("upconv_7_photo_noise1", "float16"): 73.9,
    ("upconv_7_photo_noise1", "bfloat16"): 55.3,
}

# Mean error of the same: 0.000007 and 0.00011 at most were measured. Doubled.
HALF_BIAS = {"float16": 2e-5, "bfloat16": 2.5e-4}
# ESPCN has no linear path that could stay exact: 0.00024 and 0.001 were measured. Doubled.
HALF_BIAS_ESPCN = {"float16": 5e-4, "bfloat16": 2e-3}
