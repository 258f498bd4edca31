"""Hands finished events to loggers, each of which has a module here.

Through each logger's own public interface. Loggers are told apart by class name, so that both
copies of Lightning and subclasses work and no logger's library is imported that the run does not
use.
"""

from gramscope.callbacks.loggers.publisher import Publisher, numbers_of
from gramscope.callbacks.loggers.senders import takes_images

__all__ = ["Publisher", "numbers_of", "takes_images"]
