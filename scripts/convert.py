"""Convert weights between PyTorch, safetensors and our checkpoints: `sinlstm convert`."""

from sinlstm_jax.cli import convert_main

if __name__ == "__main__":
    convert_main()
