def selfie(*a):
    raise NotImplementedError
