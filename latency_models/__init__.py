"""trace -> microbenchmark -> fit -> predict, and validation.

A model's latency is predicted from the kernels it is seen to launch, each measured by itself on the device.
"""

from __future__ import annotations

from .calls import KernelCall, LayerCall
from .measuring.measure import measure
from .measuring.measurement import Campaign, Measurement
from .measuring.whole_model import Measured, measure_model, measure_models
from .predicting.active import Uses, measure_space
from .predicting.composition import Composition, calibrate
from .predicting.least import SIZES, least_size
from .predicting.predict import Predictor, fit_predictor
from .predicting.prediction import Prediction, Predictions
from .predicting.validate import Validation, kendall_tau, validate
from .profile import DeviceProfile, describe_device
from .runtime import Runtime
from .tracing.section import Section
from .tracing.trace import Tracer, space_calls
from .workload import PHASES, Workload

__all__ = [
    "PHASES",
    "SIZES",
    "Campaign",
    "Composition",
    "DeviceProfile",
    "KernelCall",
    "LayerCall",
    "Measured",
    "Measurement",
    "Prediction",
    "Predictions",
    "Predictor",
    "Runtime",
    "Section",
    "Tracer",
    "Uses",
    "Validation",
    "Workload",
    "calibrate",
    "describe_device",
    "fit_predictor",
    "kendall_tau",
    "least_size",
    "measure",
    "measure_model",
    "measure_models",
    "measure_space",
    "space_calls",
    "validate",
]
