"""What the trained models do: sampling answers to held-out prompts, and measuring them."""
