"""The bundled demo model, its judge and its images: pictures without a download."""
