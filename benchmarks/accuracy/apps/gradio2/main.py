"""An interface of one text field, for the versions whose address is given to the interface."""

import sys

import gradio


def turn(text):
    return text[::-1]


gradio.Interface(
    fn=turn, inputs="text", outputs="text", server_name="127.0.0.1", server_port=int(sys.argv[1])
).launch()
