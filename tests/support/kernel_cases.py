"""Numbers of factors that reach every path of the kernels, and how near a kernel must be to its reference."""

# The kernel rounds to float32 (2^-24 = 6e-8) in every operation, the reference to float64. Over the few hundred steps
# taken here the differences add up like a random walk to some 1e-6 of the parameters' size; AdaGrad's reciprocal root
# adds an error of about 2^-22 of each step. 2e-5 leaves a margin and is far below what any wrong term would cause.
TOLERANCE = {"rtol": 2e-5, "atol": 2e-5}

K_PATHS = [0, 1, 3, 4, 5, 8, 10, 16, 17, 32, 40, 48, 64, 80, 100]
