"""`qbench init`: what a project needs to have its models judged, written into somebody's repository."""
