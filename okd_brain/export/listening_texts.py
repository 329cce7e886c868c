"""What stands in the text files of an exported generator of band gains."""

LISTENING_HYPERPARAMS = """\
# MetricGAN-OKD generator {name}, written by okd_brain {version}.
# For listening enhancement, of which SpeechBrain knows nothing: its
# speechbrain.inference.interfaces.Pretrained loads this where okd_brain is
# installed. What it was trained on is in model.json.

sample_rate: {sample_rate} # Hz

task: !new:okd_brain.tasks.ListeningEnhancement
    sample_rate: !ref <sample_rate>
    equal_power: {equal_power}

enhance_model: !new:okd_brain.generators.BandGainGenerator

modules:
    enhance_model: !ref <enhance_model>

pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        enhance_model: !ref <enhance_model>
"""

LISTENING_CARD = """\
# Listening enhancement: `{name}`

A network (`{generator}`) that makes clean speech clearer in the noise around
its listener, trained with MetricGAN-OKD by okd_brain {okd_version} at 16 kHz.
The name is the metric, or metrics, that it was trained to raise. It is told the
noise, turns up some of 64 bands of the speech and turns down others, and keeps
the power: the speech is not louder than it was. It removes no noise.

With okd_brain installed, for files of speech, any sample rate and any number of
channels, and a recording of the noise or an estimate of its level over time:

```
okd-enhance path/to/this/folder speech.wav more/ -o enhanced/ --task le --noise noise.wav
okd-enhance path/to/this/folder speech.wav more/ -o enhanced/ --task le --noise_levels levels.csv
```

In Python, with waves of any sample rate:

```python
from okd_brain.enhance import enhance_speech
from okd_brain.export import load_generator

generator = load_generator("path/to/this/folder")
enhanced = enhance_speech(generator, speech, 44100, noise, 16000)
```

If `equal_power` below is `frame`, say so: `enhance_speech(..., equal_power="frame")`.
SpeechBrain has no interface for this task, but loads network and task where
okd_brain is installed (16 kHz, speech at -25 dBFS, noise as long as the speech):

```python
import torch
from speechbrain.inference.interfaces import Pretrained

model = Pretrained.from_hparams(source="path/to/this/folder")
task, network = model.hparams.task, model.mods.enhance_model
inputs = task.analyse(speech[None], noise[None], torch.ones(1))
enhanced = task.enhance(network, inputs).wave[0]
```

Two streams in real time: `okd_brain.streaming.listening`. For training on:
`okd_brain.export.load_generator("path/to/this/folder")`.

| | |
| --- | --- |
{rows}

Validation scores, where given, are means over the validation mixtures of that
corpus; those of the set on which the epoch was chosen are optimistic. A network
trained for one metric may lower others: compare all of them.
"""
