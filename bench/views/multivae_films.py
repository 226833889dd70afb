#!/usr/bin/env python3
"""The same films by the PyPI package multivae (Senellart et al.): MoPoE and MVTCAE with its default networks, on one thread of a CPU.

multivae_films.py DATA TRAIN TEST OUT MODEL EPOCHS      MODEL: MoPoE or MVTCAE; writes OUT.{left,right}.f32
"""
import pathlib
import sys
import tempfile
import time

import numpy as np
import torch

torch.set_num_threads(1)
from multivae import models
from multivae.data.datasets import MultimodalBaseDataset
from multivae.trainers import BaseTrainer, BaseTrainerConfig

SIDE, HALF = 28, 14


def films(data, name):
    whole = np.fromfile(data / f"{name}.u8", np.uint8).reshape(-1, 1, SIDE, SIDE).astype(np.float32) / 255
    return MultimodalBaseDataset({"left": torch.tensor(whole[..., :HALF]), "right": torch.tensor(whole[..., HALF:])})


def main():
    data, train, test, out, name, epochs = pathlib.Path(sys.argv[1]), *sys.argv[2:6], int(sys.argv[6])
    torch.manual_seed(1)
    shape = (1, SIDE, HALF)
    config = getattr(models, name + "Config")(
        n_modalities=2, latent_dim=64, input_dims={"left": shape, "right": shape}, decoders_dist={"left": "normal", "right": "normal"},
        decoder_dist_params={m: {"scale": 0.1} for m in ("left", "right")})
    model = getattr(models, name)(config)
    start = time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        settings = BaseTrainerConfig(output_dir=scratch, num_epochs=epochs, learning_rate=1e-3, per_device_train_batch_size=64)
        trainer = BaseTrainer(model=model, train_dataset=films(data, train), training_config=settings)
        trainer.train()
    model.eval()
    scored = films(data, test)
    for given, wanted in (("left", "right"), ("right", "left")):
        with torch.no_grad():  # the mean over 16 draws, as ours
            said = sum(model.predict(scored, cond_mod=[given], gen_mod=[wanted], N=1)[wanted] for _ in range(16)) / 16
        said.reshape(len(said), -1).mul(255).numpy().astype(np.float32).tofile(f"{out}.{wanted}.f32")
    print(f"multivae {name}: {epochs} epochs, {time.process_time() - start:.0f} s of processor time")


main()
