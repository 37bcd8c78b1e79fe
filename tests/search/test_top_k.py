import pytest
import torch

from mtkit.search.top_k import top_k


@pytest.mark.parametrize("n", [5, 64, 1000, 4000, 6400, 30_007])
@pytest.mark.parametrize("k", [1, 2, 10])
def test_equals_torch_topk(n, k):
    generator = torch.Generator().manual_seed(n)
    if k > n:
        pytest.skip("more than there are")
    values = torch.randperm(3 * n, generator=generator).view(3, n).float()
    values[1, : n // 2] = -torch.inf
    values[2, k:] = -torch.inf
    expected = values.topk(k, dim=1)
    found, places = top_k(values, k)
    assert torch.equal(found, expected.values)
    assert torch.equal(values.gather(1, places), expected.values)
    assert torch.equal(places[0], expected.indices[0])
