"""Figures of merit of a volume: the contract, what they share, and one file per metric."""

from bench.evaluation.metrics.contract import MAIN, MetricEntry, metric, metrics, volume_metrics

__all__ = ["MAIN", "MetricEntry", "metric", "metrics", "volume_metrics"]
