"""Who answers: model backends, and the drivers that bring chains and a model together."""
