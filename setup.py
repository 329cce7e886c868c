"""The wheel takes recipes and samples along; setup.cfg says all the rest."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("recipes", "tests/samples")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "results", ".*")


class BuildWithRecipes(build_py):
    """Put what is shipped beside the code, where ``files.shipped`` looks."""

    def run(self):
        """Build, and copy unless the clone itself is what is installed."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "okd_brain", "shipped")
        shutil.rmtree(target, ignore_errors=True)  # of an earlier build
        for folder in SHIPPED:
            shutil.copytree(folder, target / folder, ignore=LEFT_OUT)


setup(cmdclass={"build_py": BuildWithRecipes})
