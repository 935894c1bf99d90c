"""What benchmarks/serve.py compares with: one small text model, served in two other ways."""

# Nothing is quicker for one client: the model runs in the event loop, and nothing else meanwhile,
# not even /health. Without `async` FastAPI calls it in a thread, the way its documentation tells
ONE_BY_ONE = """
import fastapi, torch, uvicorn
from served.data import make_transform
from served.evaluate import load_model

model, task, spec = load_model(None)
transform, app = make_transform(spec), fastapi.FastAPI()

@app.post("/predict")
async def predict(inputs: list[str] = fastapi.Body(embed=True)):
    with torch.inference_mode():
        scores = [task.scores(model(transform(text)[None]))[0] for text in inputs]
    return {"predictions": [task.decode(row) for row in scores]}

uvicorn.run(app, port=8711, access_log=False, log_level="warning")
"""
LITSERVE = """
import litserve, torch
from torch.nn.utils.rnn import pad_sequence
from served.data import make_transform
from served.evaluate import load_model
from served.model import PAD

class Api(litserve.LitAPI):
    def setup(self, device):
        self.model, self.task, spec = load_model(None)
        self.transform = make_transform(spec)
    def decode_request(self, request):
        return self.transform(request["inputs"][0])
    def batch(self, inputs):
        return pad_sequence(inputs, batch_first=True, padding_value=PAD)
    def predict(self, ids):
        with torch.inference_mode():
            return self.task.scores(self.model(ids))
    def unbatch(self, scores):
        return list(scores)
    def encode_response(self, scores):
        return {"predictions": [self.task.decode(scores)]}

if __name__ == "__main__":
    server = litserve.LitServer(Api(max_batch_size=16, batch_timeout=0.005), accelerator="cpu")
    server.run(port=8713, generate_client_file=False, log_level="warning")
"""
