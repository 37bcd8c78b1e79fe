"""Quality without references: n-best lists reranked by weighted features, and doubtful lines."""
