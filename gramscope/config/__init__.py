"""What Hydra composes: the callbacks' settings, the presets, and objects made of them. No torch."""
