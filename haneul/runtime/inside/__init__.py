"""What runs on the sandbox's side. Standard library only; works with any CPython from 3.9 on, as zygotes run under the function's own interpreter."""
