"""How `sinlstm train` does on public recordings, beside what others forecast of them."""
