"""What training minimizes, as a whole: model, padding, teacher and R-Drop together, against plain
torch.
"""

import copy
from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F

from mtkit.checkpoint.model_dir import load_model_dir, save_model_dir
from mtkit.checkpoint.training_checkpoint import list_checkpoints
from mtkit.checkpoint.weights import read_tensors
from mtkit.config.recipe import Recipe
from mtkit.config.training import TrainingConfig
from mtkit.corpus.train_tokenizer import train_tokenizer
from mtkit.errors import MtkitError
from mtkit.model.transformer import Transformer
from mtkit.tokenizer.subword import Tokenizer
from mtkit.training.distillation import Teacher
from mtkit.training.objective import Objective, batch_loss
from mtkit.training.train import train
from tests.model.reference import PAD_ID, VOCAB_SIZE, randomize, tiny_config
from tests.training.test_loop import metrics
from tests.training.test_step import join, make_batch

CPU = torch.device("cpu")


def clip_ids(batch):
    """The same batch within the small vocabulary of these models."""
    src, tgt_in, tgt_out = (ids.where(ids < VOCAB_SIZE, ids % 15 + 4) for ids in batch[:3])
    return batch._replace(src=src, tgt_in=tgt_in, tgt_out=tgt_out)


def make_model(seed=0, **changes):
    return randomize(
        Transformer(tiny_config(**changes), VOCAB_SIZE, VOCAB_SIZE, PAD_ID, PAD_ID), seed
    ).train()


@contextmanager
def hiding_tokens(model, hidden):
    """Set the embeddings of some source and target tokens in the second half of a batch to zero."""
    todo = list(hidden)

    def hide(module, args, embedded):
        is_hidden = todo.pop(0)
        is_hidden = torch.cat([torch.zeros_like(is_hidden), is_hidden])
        return embedded.masked_fill(is_hidden[:, :, None], 0.0)

    embeddings = {model.src_embedding, model.tgt_embedding} if hidden else set()
    hooks = [module.register_forward_hook(hide) for module in embeddings]
    yield
    for hook in hooks:
        hook.remove()
    assert not todo


def plain(model, batch, config, teacher=None):
    """Logits of all positions; the mean over the tokens that are no padding comes from torch's own
    functions and autograd.
    """
    is_token = batch.tgt_out != PAD_ID
    targets = batch.tgt_out[is_token]
    n_passes = 2 if config.r_drop or config.simcut else 1
    src, tgt_in = (torch.cat([ids] * n_passes) for ids in (batch.src, batch.tgt_in))
    hidden = []
    if config.simcut:
        hidden = [torch.rand(ids.shape) < config.simcut_rate for ids in (batch.src, batch.tgt_in)]
    with hiding_tokens(model, hidden):
        logits_BTV = model.decode(tgt_in, model.encode(src))
    passes = [logits[is_token] for logits in logits_BTV.chunk(n_passes)]
    learning = passes[:1] if config.simcut else passes
    total = sum(
        F.cross_entropy(logits, targets, reduction="sum", label_smoothing=config.label_smoothing)
        for logits in learning
    ) / len(learning)
    if teacher is not None:
        with torch.no_grad():
            theirs = (
                teacher.decode(batch.tgt_in, teacher.encode(batch.src))[is_token]
                / config.teacher_temperature
            )
        kl = sum(
            F.kl_div(
                (ours / config.teacher_temperature).log_softmax(-1),
                theirs.softmax(-1),
                reduction="sum",
            )
            for ours in learning
        ) / len(learning)
        total = (
            1 - config.teacher_weight
        ) * total + config.teacher_weight * config.teacher_temperature**2 * kl
    if config.r_drop:
        p, q = (logits.log_softmax(-1) for logits in passes)
        total = (
            total
            + config.r_drop
            * (
                F.kl_div(p, q, reduction="sum", log_target=True)
                + F.kl_div(q, p, reduction="sum", log_target=True)
            )
            / 2
        )
    if config.simcut:
        p, q = (logits.log_softmax(-1) for logits in passes)
        total = total + config.simcut * F.kl_div(q, p, reduction="sum", log_target=True)
    return total


@pytest.mark.parametrize("has_places", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("terms", "with_teacher"),
    [
        ({}, False),
        ({}, True),
        ({"r_drop": 3.0}, False),
        ({"r_drop": 3.0}, True),
        ({"simcut": 1.5, "simcut_rate": 0.3}, False),
        ({"simcut": 1.5, "simcut_rate": 0.3}, True),
    ],
)
def test_values_and_gradients_equal_a_plain_loop(terms, with_teacher, dtype, has_places):
    batch = clip_ids(make_batch([9, 4, 1, 7], 3))
    if has_places:
        batch = batch._replace(
            target_positions=(batch.tgt_out != PAD_ID).flatten().nonzero().flatten()
        )
    config = TrainingConfig(**terms, teacher_weight=0.4, teacher_temperature=2.0)
    model, teacher = (
        make_model(dropout=0.2),
        make_model(seed=5, d_model=48, tied_embeddings="none").eval(),
    )
    other = copy.deepcopy(model)
    torch.manual_seed(1)
    expected = torch.as_tensor(plain(other, batch, config, teacher if with_teacher else None))
    expected.backward()
    torch.manual_seed(1)
    objective = Objective(
        model, config, Teacher(copy.deepcopy(teacher), dtype) if with_teacher else None
    )
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        loss = objective(batch)
    loss.total.backward()
    if dtype == torch.float32:
        torch.testing.assert_close(loss.total, expected, rtol=1e-4, atol=1e-4)
        for (name, ours), theirs in zip(model.named_parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-3, msg=name)
    else:
        torch.testing.assert_close(loss.total, expected, rtol=0.02, atol=0.0)
        gradients = [
            torch.cat([p.grad.flatten() for p in one.parameters() if p.grad is not None])
            for one in (model, other)
        ]
        assert F.cosine_similarity(*gradients, dim=0).item() > 0.99


def test_r_drop_without_dropout_is_cross_entropy():
    batch, model = clip_ids(make_batch([5, 3, 3], 1)), make_model()
    loss = Objective(model, TrainingConfig(r_drop=5.0))(batch)
    # The two halves of a product may be summed in another order.
    torch.testing.assert_close(loss.parts["r_drop"], torch.zeros(()), rtol=0, atol=1e-6)
    torch.testing.assert_close(loss.total, batch_loss(model, batch, 0.1).total)
    torch.testing.assert_close(loss.nll, batch_loss(model, batch, 0.1).nll)


def test_with_dropout_the_passes_differ():
    loss = Objective(make_model(dropout=0.3), TrainingConfig(r_drop=5.0))(
        clip_ids(make_batch([5, 3, 3], 1))
    )
    assert loss.parts["r_drop"] > 0.1


def test_every_target_token_counts_once():
    """The loss of two batches is that of both as one, with whatever is on."""
    first, second = clip_ids(make_batch([6, 2], 1)), clip_ids(make_batch([3, 3, 1], 2))
    config = TrainingConfig(r_drop=2.0)
    objective = Objective(make_model(), config, Teacher(make_model(seed=5).eval(), torch.float32))
    whole, halves = objective(join(first, second)), [objective(batch) for batch in (first, second)]
    torch.testing.assert_close(halves[0].total + halves[1].total, whole.total, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        halves[0].parts["teacher"] + halves[1].parts["teacher"],
        whole.parts["teacher"],
        rtol=1e-4,
        atol=1e-4,
    )


def test_teacher_has_no_trained_parameters_and_does_not_change():
    teacher = make_model(seed=5, dropout=0.5)
    before = {name: parameter.detach().clone() for name, parameter in teacher.named_parameters()}
    model = make_model()
    objective = Objective(model, TrainingConfig(), Teacher(teacher, torch.float32))
    assert {id(p) for p in objective.parameters()} == {id(p) for p in model.parameters()}
    assert all(key.startswith("model.") for key in objective.state_dict())
    objective.train()
    batch = clip_ids(make_batch([5, 3], 1))
    losses = [objective(batch).parts["teacher"] for _ in range(2)]
    assert losses[0] == losses[1]
    objective(batch).total.backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(
        torch.equal(parameter, before[name]) for name, parameter in teacher.named_parameters()
    )


def test_teacher_from_a_directory_equals_the_model(make_trained, tmp_path):
    trained = make_trained()
    save_model_dir(tmp_path / "teacher", trained)
    teacher = Teacher.load(tmp_path / "teacher", trained.tokenizer, 64, CPU, torch.float32)
    batch = make_batch([5, 3], 1)
    torch.testing.assert_close(teacher.states(batch), trained.model(batch.src, batch.tgt_in))


@pytest.mark.parametrize("side", ["src", "tgt"])
def test_a_teacher_of_another_vocabulary_is_refused(
    make_trained, tiny_tokenizer, tiny_recipe_path, tmp_path, side
):
    other = train_tokenizer(Recipe.load(tiny_recipe_path, ["tokenizer.vocab_size=500"]))
    mixed = (
        Tokenizer(other.src, tiny_tokenizer.tgt)
        if side == "src"
        else Tokenizer(tiny_tokenizer.src, other.tgt)
    )
    save_model_dir(tmp_path / "teacher", make_trained(tokenizer=mixed, tied_embeddings="none"))
    with pytest.raises(
        MtkitError,
        match=f"teacher's {'source' if side == 'src' else 'target'} vocabulary differs from the student's",
    ):
        Teacher.load(tmp_path / "teacher", tiny_tokenizer, 64, CPU, torch.float32)


def test_a_teacher_with_too_few_learned_positions_is_refused(
    make_trained, tiny_tokenizer, tmp_path
):
    save_model_dir(tmp_path / "teacher", make_trained(positions="learned", max_positions=32))
    with pytest.raises(
        MtkitError, match=r"32 learned positions, fewer than model.max_positions \(64\)"
    ):
        Teacher.load(tmp_path / "teacher", tiny_tokenizer, 64, CPU, torch.float32)


def test_simcut_without_hidden_tokens_is_cross_entropy():
    model, batch = make_model(), clip_ids(make_batch([5, 3, 8], 2))
    loss = Objective(model, TrainingConfig(simcut=5.0, simcut_rate=1e-9))(batch)
    torch.testing.assert_close(loss.total, batch_loss(model, batch, 0.1).total)
    torch.testing.assert_close(loss.parts["simcut"], torch.zeros(()), rtol=0, atol=1e-6)


def test_simcut_hides_the_given_share_in_the_second_pass_alone():
    objective = Objective(make_model(), TrainingConfig(simcut=1.0, simcut_rate=0.25))
    first, second = objective._cut(torch.zeros(200, 100, dtype=torch.long)).chunk(2)
    assert first.eq(1.0).all()
    assert second.mean().item() == pytest.approx(0.75, abs=0.01)


def test_r_drop_and_simcut_are_alternatives():
    with pytest.raises(ValueError, match=r"r_drop \(1\) and simcut \(3\) are alternatives"):
        TrainingConfig(r_drop=1.0, simcut=3.0)


def test_a_run_with_a_teacher_r_drop_and_layer_drop_resumes_exactly(tiny_recipe_path, tmp_path):
    teacher = train(
        Recipe.load(tiny_recipe_path, ["training.max_steps=4", "data.validation=null"]),
        tmp_path / "teacher",
        n_threads=1,
    )
    start = load_model_dir(teacher.model_dir).model
    parts = [
        f"training.teacher={teacher.model_dir}",
        "training.r_drop=2.5",
        "model.layer_drop=0.3",
        "training.log_every_steps=1",
    ]

    def recipe(max_steps):
        return Recipe.load(
            tiny_recipe_path, [*parts, f"training.max_steps={max_steps}", "data.validation=null"]
        )

    straight = train(recipe(6), tmp_path / "straight", n_threads=1)
    train(recipe(3), tmp_path / "broken", n_threads=1)
    broken = train(recipe(6), tmp_path / "broken", n_threads=1)
    tensors = [
        read_tensors(list_checkpoints(result.run_dir / "checkpoints")[-1] / "model.safetensors")
        for result in (straight, broken)
    ]
    assert all(torch.equal(tensors[0][name], tensors[1][name]) for name in tensors[0])
    lines = [
        [
            (entry["loss"], entry["teacher"], entry["r_drop"])
            for entry in metrics(result.run_dir, "train")
        ]
        for result in (straight, broken)
    ]
    assert lines[0] == lines[1] and len(lines[0]) == 6
    assert all(0 < teacher < 10 and r_drop > 0 for _, teacher, r_drop in lines[0])
    again = load_model_dir(teacher.model_dir).model
    assert all(
        torch.equal(ours, theirs)
        for ours, theirs in zip(again.parameters(), start.parameters(), strict=True)
    )
