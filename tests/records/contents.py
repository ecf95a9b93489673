"""Contents of records that are changed in one place and stay consistent in the others."""

MAIN = ("psnr", "ssim", "nmse")


def with_means(content):
    """The same, with the means of its splits taken anew from its volumes."""
    usual = [row for row in content["volumes"] if row["shift"] is None]
    metrics = {}
    for split in dict.fromkeys(row["split"] for row in usual):
        own = [row for row in usual if row["split"] == split]
        means = {name: sum(row[name] for row in own) / len(own) for name in MAIN}
        metrics[split] = {**means, "volumes": len(own), "patients": len({row["patient"] for row in own})}
    return {**content, "metrics": metrics}
