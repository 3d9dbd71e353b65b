"""How the documentation is built: ``sphinx-build -W docs site``."""

project = "headend"
copyright = "The headend authors"  # noqa: A001  # Sphinx's name for it
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "headend"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
nitpicky = False
