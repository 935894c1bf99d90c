"""Which features go with a domain and a style."""

from __future__ import annotations

from ptscaffold.layers.catalogue import Catalogue


def fitting(catalogue: Catalogue, domain: str, style: str) -> list[str]:
    """The names of the features that neither excludes, nor exclude either, in order."""
    cell = [catalogue.layer(f"domains/{domain}"), catalogue.layer(f"styles/{style}")]
    paths, excluded = {layer.path for layer in cell}, {p for layer in cell for p in layer.conflicts}
    return sorted(
        feature.name
        for feature in catalogue.choices("features")
        if feature.path not in excluded and paths.isdisjoint(feature.conflicts)
    )
