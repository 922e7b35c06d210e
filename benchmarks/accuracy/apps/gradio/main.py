"""An interface of one text field."""

import sys

import gradio

demo = gradio.Interface(fn=lambda text: text[::-1], inputs="text", outputs="text")
demo.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]))
