"""What a partner's side does with a webhook: verify it, read it, know it again. The standard library and
msgspec suffice.
"""

from adjourn.receiving.diagnosis import Cause, Diagnosis
from adjourn.receiving.doctor import diagnose
from adjourn.receiving.receiver import Received, Receiver, Refused

__all__ = ["Cause", "Diagnosis", "Received", "Receiver", "Refused", "diagnose"]
