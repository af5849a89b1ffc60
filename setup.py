"""Packaging: the metadata is in pyproject.toml. Here stands only what that file cannot say: the folder validation/ is installed as
refnode_validation, because a top-level package called `validation` would collide with folders in users' own repositories."""

from setuptools import find_packages, setup

inside = find_packages("validation")
setup(
    packages=[*find_packages(include=["refnode", "refnode.*"]), "refnode_validation", *(f"refnode_validation.{name}" for name in inside)],
    package_dir={"refnode_validation": "validation"},
    package_data={
        "refnode": ["py.typed"],
        "refnode_validation": [
            "*.json", "*.md", "**/*.json", "**/*.md", "**/*.expected", "**/*.txt", "vectors/LICENSE", "report/page.css", "report/page.js",
        ],
    },
    exclude_package_data={"refnode_validation": ["harnesses/**"]},  # for a checkout: they have compilers and packages of their own
)
