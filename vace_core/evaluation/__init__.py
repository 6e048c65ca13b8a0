"""How good videos are: the paper's eight indicators, measures that need no network, benchmarks, reports, studies."""
