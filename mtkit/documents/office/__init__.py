"""Documents in ZIP archives: office documents and EPUB books."""
