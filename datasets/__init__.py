"""fastMRI volumes, undersampling, coil maps, annotations, simulated anatomy, splits."""
