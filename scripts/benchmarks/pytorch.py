"""PyTorch, eager, as sides of the benchmark: the tutorial's loops, and faster ways to forecast."""

from functools import partial

import numpy as np
import torch

from ..porting.torch_reference import TorchSineLSTM
from .loops import NO_INPUT, by_steps, by_windows, draw_values, draw_weights, stream
from .sides import Setting
from .timing import Work

THREADS = torch.get_num_threads()  # one for each core, as long as nobody has set them
LONGEST = 10_000  # steps in one call: it holds some hundred bytes of each


class Threaded:
    """What does its work on so many threads; they are set for the whole process at every turn."""

    def __init__(self, threads: int = THREADS):
        self._threads = threads
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def _on_its_threads(self, work: Work) -> Work:
        def run(units):
            torch.set_num_threads(self._threads)
            work.run(units)

        return work._replace(run=run)

    def _model(self, weights: dict[str, np.ndarray]) -> TorchSineLSTM:
        model = TorchSineLSTM(weights["ip1.weight"].shape[1])
        model.load_state_dict({name: torch.from_numpy(x) for name, x in weights.items()})
        return model.to(self._device)


class Cell(Threaded):
    """Forecasts step by step by `torch.nn.LSTMCell`, which the tutorial does not use."""

    def rollout(self, batch_size: int, steps: int) -> Work:
        """Forecast steps without input, one after the other."""
        return self._on_its_threads(by_steps(self.step(draw_weights()), batch_size, steps))

    def streaming(self) -> Work:
        """Steps that take a number and give one."""
        return self._on_its_threads(stream(self.step(draw_weights())))

    def step(self, weights: dict[str, np.ndarray]):
        """Return a step of the network that has these weights."""
        model = self._model(weights)
        cell = torch.nn.LSTMCell(1, model.lstm.hidden_size, device=self._device)
        state = model.lstm.state_dict()
        cell.load_state_dict({name.removesuffix("_l0"): state[name] for name in state})

        @torch.inference_mode()
        def step(carry, inputs):
            carry = cell(torch.from_numpy(inputs).to(self._device), carry)
            return carry, model.ip1(carry[0]).cpu().numpy()

        return step


class Side(Cell):
    """The tutorial's: training with the loss read at every iteration, forecasts step by step."""

    def step(self, weights: dict[str, np.ndarray]):
        """Return a step of the network that has these weights."""
        return partial(_predict_step, self._model(weights), self._device)

    def training(self, setting: Setting) -> Work:
        """Iterations, each with its batch and Adam."""
        iterate = self._trainer(TorchSineLSTM(setting.hidden_size).to(self._device), setting)
        return self._on_its_threads(Work(lambda count: [iterate() for _ in range(count)]))

    def curriculum(self, settings: list[tuple[Setting, int]], display_every: int, folder) -> None:
        """Train settings for so many iterations each, and print as the tutorial does.

        Its snapshots are saved; its pictures are not drawn.
        """
        torch.set_num_threads(self._threads)
        model = TorchSineLSTM(settings[0][0].hidden_size).to(self._device)
        for number, (setting, iterations) in enumerate(settings, 1):
            iterate, losses = self._trainer(model, setting), np.zeros(iterations)
            for i in range(iterations):
                losses[i] = iterate()
                if i % display_every == 0:
                    average = losses[i - display_every : i].mean() if i else np.nan
                    print("step", i, "loss", losses[i], "avg loss", average, flush=True)
            torch.save(model.state_dict(), f"{folder}/stage-{number}.pt")

    def _compiled(self, function):
        """Return what a function becomes before it is called again and again; here, itself."""
        return function

    def _trainer(self, model: TorchSineLSTM, setting: Setting):
        """Return a function that does one iteration and returns its loss."""
        rng = np.random.RandomState(0x1010)
        optimizer = torch.optim.Adam(
            model.parameters(), lr=setting.learning_rate, eps=setting.epsilon
        )
        error = torch.nn.MSELoss()
        shape = (setting.window, setting.batch_size, 1)
        nothing = torch.full((setting.horizon, setting.batch_size), NO_INPUT, device=self._device)

        @self._compiled
        def loss_and_gradients(inputs, targets):
            loss = error(targets, model(inputs))
            loss.backward()
            return loss.detach()

        update = self._compiled(lambda: optimizer.step())

        def iterate():
            values = draw_values(rng, setting.batch_size, setting.window)
            past, future = (
                torch.tensor(part.T, dtype=torch.float32).to(self._device)
                for part in np.split(values, [setting.past], axis=1)
            )
            inputs = torch.cat((past, nothing)).view(shape)
            targets = torch.cat((past, future)).view(shape)
            optimizer.zero_grad()
            loss = loss_and_gradients(inputs, targets)
            update()
            return loss.cpu().numpy()

        return iterate


class OneCall(Threaded):
    """Forecasts of whole windows, which the tutorial does not make: one call of the LSTM each."""

    def rollout(self, batch_size: int, steps: int) -> Work:
        """Rollouts in one call each; long ones in several."""
        window = self.window(draw_weights())
        return self._on_its_threads(by_windows(window, batch_size, steps, LONGEST))

    def window(self, weights: dict[str, np.ndarray]):
        """Return what forecasts a window with these weights."""
        return partial(_predict, self._model(weights), self._device)


@torch.inference_mode()
def _predict(model: TorchSineLSTM, device, carry, inputs: np.ndarray):
    hidden, carry = model.lstm(torch.from_numpy(inputs).to(device), carry)
    return carry, model.ip1(hidden).cpu().numpy()


def _predict_step(model: TorchSineLSTM, device, carry, inputs: np.ndarray):
    carry, predictions = _predict(model, device, carry, inputs[None])
    return carry, predictions[0]
