"""Pixels as another program makes them: the Lambdas use a model as the recipe beside it says."""

import json

import cloud
import pytest
from results import assert_same


@pytest.mark.parametrize("preset", ["opencv", "torchvision"])
def test_a_recipe_with_a_preset_has_the_result_of_a_local_run(stack, forty, local, tmp_path, preset):
    model = cloud.make_model(tmp_path / "model", "--preset", preset)
    for function in ("plan", "list-batch"):
        stack.configure(function, POMONA_MODEL=str(model))
    stack.upload(forty)
    report = stack.succeed(options={"components": 6})
    assert_same(stack.result(report), local(forty, "--components", "6", "--preset", preset))
    plan = json.loads(stack.read(f"{report['run']}/plan.json"))
    assert plan["recipe"]["pixels"] == {"opencv": "opencv-2/exif/bgr", "torchvision": "pillow-6/bilinear/crop=256"}[preset]
