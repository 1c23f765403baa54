"""What a person writes: the constitution, its loading and its checks."""
