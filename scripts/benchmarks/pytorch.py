"""The tutorial's loops in PyTorch, eager, as a side of the benchmark."""

from functools import partial

import numpy as np
import torch

from ..porting.torch_reference import TorchSineLSTM
from .sides import NO_INPUT, Setting, draw_values, in_calls, step_by_step
from .timing import Work

STEPS = 100  # of a rollout, in a unit of work


class Side:
    """Training with the loss read at every iteration, and forecasts step by step."""

    def __init__(self):
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def training(self, setting: Setting) -> Work:
        """Iterations, each with its batch and Adam."""
        iterate = self._trainer(TorchSineLSTM(setting.hidden_size).to(self._device), setting)
        return Work(lambda iterations: [iterate() for _ in range(iterations)])

    def rollout(self, batch_size: int, steps: int) -> Work:
        """Forecast steps without input, one after the other."""
        model = TorchSineLSTM().to(self._device)
        values = np.full((batch_size, 1), NO_INPUT, np.float32)

        def next_steps(carry):
            predictions = []
            for _ in range(STEPS):
                carry, prediction = self._step(model, carry, values)
                predictions.append(prediction[0, :, 0])
            return carry, np.array(predictions)

        return in_calls(next_steps, None, STEPS, steps)

    def streaming(self) -> Work:
        """Steps that take a number and give one."""
        return step_by_step(partial(self._step, TorchSineLSTM().to(self._device)), None)

    def curriculum(self, settings: list[tuple[Setting, int]], display_every: int, folder) -> None:
        """Train settings for so many iterations each, and print as the tutorial does.

        Its snapshots are saved; its pictures are not drawn.
        """
        model = TorchSineLSTM(settings[0][0].hidden_size).to(self._device)
        for number, (setting, iterations) in enumerate(settings, 1):
            iterate, losses = self._trainer(model, setting), np.zeros(iterations)
            for i in range(iterations):
                losses[i] = iterate()
                if i % display_every == 0:
                    average = losses[i - display_every : i].mean() if i else np.nan
                    print("step", i, "loss", losses[i], "avg loss", average, flush=True)
            torch.save(model.state_dict(), f"{folder}/stage-{number}.pt")

    def _trainer(self, model: TorchSineLSTM, setting: Setting):
        """Return a function that does one iteration and returns its loss."""
        rng = np.random.RandomState(0x1010)
        optimizer = torch.optim.Adam(
            model.parameters(), lr=setting.learning_rate, eps=setting.epsilon
        )
        error = torch.nn.MSELoss()
        shape = (setting.window, setting.batch_size, 1)
        nothing = torch.full((setting.horizon, setting.batch_size), NO_INPUT, device=self._device)

        def iterate():
            values = draw_values(rng, setting.batch_size, setting.window)
            past, future = (
                torch.tensor(part.T, dtype=torch.float32).to(self._device)
                for part in np.split(values, [setting.past], axis=1)
            )
            inputs = torch.cat((past, nothing)).view(shape)
            targets = torch.cat((past, future)).view(shape)
            loss = error(targets, model(inputs))
            value = loss.detach().cpu().numpy()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return value

        return iterate

    def _step(self, model, carry, values: np.ndarray):
        """Return (carry, predictions `[1, batch, 1]`) after one step on `[batch, 1]`."""
        hidden, carry = model.lstm(torch.tensor(values[None]).to(self._device), carry)
        prediction = model.ip1(hidden).detach().cpu().numpy()
        return tuple(part.detach() for part in carry), prediction
