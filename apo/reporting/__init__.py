"""A run told as a document, and the document as Markdown and as a page with plots."""
