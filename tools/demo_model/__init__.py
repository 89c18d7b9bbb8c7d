"""Makes the bundled demo model from nothing: scenes, drawings, judge, autoencoder, denoiser."""
